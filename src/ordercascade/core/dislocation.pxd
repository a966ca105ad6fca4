# What oracles are told falsely, planned ahead. No C surface.

OURS: str

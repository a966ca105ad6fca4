# Nothing but doors: what there is to cimport lies in core.schedule.

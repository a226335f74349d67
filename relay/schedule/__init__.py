"""When a run is due: timetable and exchange holidays."""

"""BTHome v2: sensors and meters that only advertise, in clear or encrypted."""

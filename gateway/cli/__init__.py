"""The command line: `lock-gateway …`. Client commands import neither the daemon nor any radio."""

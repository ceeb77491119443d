"""What `dr_gen.RunLogger` writes, and older logs of its kind."""

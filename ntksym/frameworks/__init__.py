"""Other frameworks: their networks are read as programs, and tables become what their optimizers take."""

"""Documents that people attach: what may be taken in, how much of it, how it is given out.  The tables that keep them are those of the features."""

"""What PixelWise does with its rows, for HTTP and the command line alike. Knows neither of the two."""

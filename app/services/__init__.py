"""What PixelWise does, for HTTP and the command line."""

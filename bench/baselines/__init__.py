"""What `bench.gateway` holds the gateway against, and the devices that all of them ask."""

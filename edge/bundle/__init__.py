"""What a gateway gives away about itself for somebody who is to help: a bundle without secrets."""

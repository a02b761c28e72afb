"""What is kept until the centre has it: committed before it is published, deleted only when acknowledged."""

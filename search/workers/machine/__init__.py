"""What workers share on one machine: sockets, the time and memory of its GPUs."""

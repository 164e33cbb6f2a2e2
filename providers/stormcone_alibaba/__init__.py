"""Alibaba Cloud: the system events of ECS."""

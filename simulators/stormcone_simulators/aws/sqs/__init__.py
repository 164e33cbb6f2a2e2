"""SQS: a queue of what EventBridge tells of the simulated events."""

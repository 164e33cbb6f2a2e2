"""What EC2, SQS and Auto Scaling have in common: signatures, parameters, errors, and how answers are written."""

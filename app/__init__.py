"""The Lockstep service: main > api > control > (store | schedules) > (errors | settings) > schemas."""

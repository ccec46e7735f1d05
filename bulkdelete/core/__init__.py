"""The pure core: nothing here awaits, opens, sleeps, logs, reads a clock or rolls a die."""

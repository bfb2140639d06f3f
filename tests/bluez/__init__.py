"""The radio's and drivers' tests once more, over real BlueZ and a Linux kernel, in QEMU.

`machine` boots it, `guest` is what runs inside, `plugin` puts BlueZ below the tests and names those
that are chosen, `differences` asks what only BlueZ does. Run by `make bluez-vm`.
"""

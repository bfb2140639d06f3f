"""Acting on time: plans per device, one lane per device, attempts written ahead and judged.

Meets `gateway.sync` only in the store.
"""

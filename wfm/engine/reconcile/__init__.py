"""Compare a vendor's buckets, the call log and agent states; estimate clock skew."""

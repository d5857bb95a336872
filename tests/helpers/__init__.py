"""What tests share: drawn days, slow twins, servers and clocks to test against."""

print("xokvm")

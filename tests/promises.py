"Runs the functions of a file that begin with `test_`, one after the other."


def keep(names, what):
    "Each of these names that is a test, with a line that says so"
    for name, test in list(names.items()):
        if not name.startswith("test_"): continue
        test()
        print(f"{what}: {name.removeprefix('test_')}: as promised")

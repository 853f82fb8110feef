"The package metadata, read from settings.ini."
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

config = ConfigParser(delimiters=["="], interpolation=None)
config.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]
setup(
    name=settings["lib_name"], version=settings["version"], description=settings["description"],
    keywords=settings["keywords"].split(), author=settings["author"], license="Apache-2.0",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    packages=find_packages(include=["influence_nb*"]), package_data={"influence_nb": ["static/*"]}, python_requires=f">={settings['min_python']}",
    install_requires=settings["requirements"].split(),
    extras_require={"lab": settings["lab_requirements"].split(), "dev": settings["dev_requirements"].split()},
)

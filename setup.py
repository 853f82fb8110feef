"The package metadata, read from settings.ini."
import re
from configparser import ConfigParser
from pathlib import Path
from setuptools import find_packages, setup

ROOT = Path(__file__).parent
STATUS = {"1": "1 - Planning", "2": "2 - Pre-Alpha", "3": "3 - Alpha", "4": "4 - Beta",
          "5": "5 - Production/Stable"}
config = ConfigParser(delimiters=["="], interpolation=None)
config.read(ROOT / "settings.ini", encoding="utf-8")
settings = config["DEFAULT"]


def away_from_home(readme):
    """The text of README.md for a page of a package index, where no picture and no
    chapter lies beside it"""
    text = re.sub(r"^<!--.*-->\n\n", "", readme)
    # a picture and its caption
    text = re.sub(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n\*[^\n]*\*\n\n", "", text,
                  flags=re.M)
    text = re.sub(r"\[([^\]]*)\]\((?!https?:)[^)]*\)", r"\1", text)
    return (text + "\nThe chapters are notebooks. They come with the source "
            "distribution, where `make lab` opens them.\n")


setup(name=settings["lib_name"], version=settings["version"],
      description=settings["description"], keywords=settings["keywords"].split(),
      author=settings["author"], license_expression="Apache-2.0",
      license_files=["LICENSE"],
      long_description=away_from_home((ROOT / "README.md").read_text(encoding="utf-8")),
      long_description_content_type="text/markdown",
      classifiers=[f"Development Status :: {STATUS[settings['status']]}",
                   "Framework :: Jupyter", "Intended Audience :: "
                   f"{settings['audience']}", "Natural Language :: "
                   f"{settings['language']}", "Operating System :: OS Independent",
                   "Programming Language :: Python :: 3",
                   *(f"Programming Language :: Python :: {version}"
                     for version in settings["pythons"].split()),
                   "Topic :: Scientific/Engineering :: Artificial Intelligence",],
      packages=find_packages(include=["influence_nb*"]),
      package_data={"influence_nb": ["static/*"]},
      python_requires=f">={settings['min_python']}",
      install_requires=settings["requirements"].split(),
      extras_require={"lab": settings["lab_requirements"].split(),
                      "dask": settings["dask_requirements"].split(),
                      "disk": settings["disk_requirements"].split(),
                      "dev": settings["dev_requirements"].split()},)

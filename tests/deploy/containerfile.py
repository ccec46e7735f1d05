"""Reads Containerfiles, and carries out their steps in plain directories, where no engine runs.

It knows what deploy/Containerfile uses, and raises at anything else: what it built is what an
engine would have built from the same lines, but for the base, which is what `roots` puts together.
"""

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from tests.deploy import roots


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its word, and all that stands behind it."""

    word: str
    text: str

    @property
    def flags(self) -> dict[str, str]:
        """The flags of a COPY (`--from=builder`)."""
        return dict(re.findall(r"--([a-z]+)=(\S+)", self.text))

    @property
    def words(self) -> list[str]:
        """What is no flag, split at blanks."""
        return [one for one in self.text.split() if not one.startswith("--")]


def read(text: str) -> list[Instruction]:
    """Split a Containerfile into its instructions; a line that ends with a backslash goes on."""
    lines = [one for one in text.splitlines() if one.strip() and not one.lstrip().startswith("#")]
    whole = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in whole.splitlines()]


@dataclass
class Image:
    """A root, and how a container of it is started."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    place: str = "/"
    user: str = "0:0"
    volumes: list[str] = field(default_factory=list)
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


class Build:
    """One build: a context (with its ignore file), a base, and where the stages' roots go.

    `env` and `mounts` are for the RUN steps: what build arguments and build mounts are to engines.
    """

    def __init__(
        self, context: Path, base: Path, place: Path, env: dict[str, str], mounts: dict[Path, str]
    ) -> None:
        self.context = context
        self._base = base
        self.place = place
        self._env = env
        self._mounts = mounts
        self._arguments: dict[str, str] = {}
        self.stages: dict[str, Image] = {}
        self._image: Image | None = None

    def build(self, file: Path) -> Image:
        """Carry out a Containerfile; return the image of its last stage."""
        self._ignore = file.with_name(f"{file.name}.dockerignore").read_text().splitlines()
        for one in read(file.read_text()):
            step = getattr(self, f"_do_{one.word.lower()}", None)
            if step is None:
                raise NotImplementedError(f"this interpreter does not know {one.word}")
            step(one)
        return self.image

    @property
    def image(self) -> Image:
        """The image of the last stage so far."""
        assert self._image, "no FROM yet"
        return self._image

    def _do_arg(self, one: Instruction) -> None:
        name, _, value = one.text.partition("=")
        self._arguments[name] = value

    def _do_from(self, one: Instruction) -> None:
        base, *named = one.words
        name = Template(base).substitute(self._arguments)
        assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", name), f"no stand-in for {name}"
        root = self.place / f"stage-{len(self.stages)}"
        roots.copy(self._base, root)
        self._image = Image(root)
        self.stages[named[1] if named else root.name] = self._image

    def _do_copy(self, one: Instruction) -> None:
        stage = one.flags.get("from")
        assert one.flags.keys() <= {"from"}, one
        *sources, to = one.words
        target = roots.inside(self.image.root, self.image.place, to)
        for source in sources:
            path = Path(source)
            if stage is None:
                assert self._sent(path), f"the ignore file keeps {source} from the engine"
                found = self.context / path
            else:
                found = roots.inside(self.stages[stage].root, "/", source)
            if found.is_dir():
                kept = shutil.ignore_patterns("__pycache__") if stage is None else None
                shutil.copytree(found, target, symlinks=True, ignore=kept, dirs_exist_ok=True)
            else:
                shutil.copy2(found, target / path.name if to.endswith("/") else target)

    def _sent(self, path: Path) -> bool:
        """Tell whether the ignore file lets a path of the context through to the engine."""
        assert self._ignore[0] == "*", "everything is kept back but what is named"
        named = [rule[1:] for rule in self._ignore if rule.startswith("!")]
        assert set(self._ignore) == {"*", "**/__pycache__", *(f"!{rule}" for rule in named)}
        return any(path.match(rule) for rule in named)

    def _do_run(self, one: Instruction) -> None:
        image = self.image
        words = roots.entering(
            image.root,
            ["/bin/sh", "-c", one.text],
            place=image.place,
            user=image.user,
            mounts={path: f"{where}:ro" for path, where in self._mounts.items()},
            read_only=False,
        )
        env = {"PATH": roots.PATH, "HOME": "/root"} | image.env | self._env
        done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"RUN {one.text}\n{done.stdout}{done.stderr}"

    def _do_env(self, one: Instruction) -> None:
        pairs = dict(word.split("=", 1) for word in shlex.split(one.text))
        self.image.env.update(pairs)

    def _do_workdir(self, one: Instruction) -> None:
        self.image.place = one.text
        roots.inside(self.image.root, "/", one.text).mkdir(parents=True, exist_ok=True)

    def _do_user(self, one: Instruction) -> None:
        self.image.user = one.text

    def _do_volume(self, one: Instruction) -> None:
        self.image.volumes.append(one.text)

    def _do_entrypoint(self, one: Instruction) -> None:
        self.image.entrypoint = json.loads(one.text)  # the form of words: no shell

    def _do_cmd(self, one: Instruction) -> None:
        self.image.command = json.loads(one.text)

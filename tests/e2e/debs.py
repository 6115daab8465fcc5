# SPDX-License-Identifier: Apache-2.0
"""debs.py - a Debian of another CPU as layers of an image, without running any of it.

apt of this machine resolves and downloads (its own mirror, Debian's keyring, lists of its own);
the packages are unpacked here as dpkg would unpack them: files, maintainer scripts and status, so
that `dpkg --configure -a` inside goes on from there. Of what the maintainer scripts would do, only
what programs cannot run without is done here: accounts, name service, a few alternatives.
"""

import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "strata-test"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LEFT_OUT = ("usr/share/man/", "usr/share/doc/", "usr/share/locale/", "usr/share/info/",
            "usr/share/lintian/")
ALIASED = ("bin", "lib", "lib64", "sbin")  # symbolic links to usr/…, from base-files
ALTERNATIVES = {  # name in /usr/bin: what a postinst would choose, and what is there if it would
    "awk": ("/usr/bin/mawk", "usr/bin/mawk"),
    "cc": ("/usr/bin/gcc", "usr/bin/gcc"),
    "c++": ("/usr/bin/g++", "usr/bin/g++"),
    "java": ("/usr/lib/jvm/default-java/bin/java", "usr/lib/jvm/default-java"),
    "javac": ("/usr/lib/jvm/default-java/bin/javac", "usr/lib/jvm/default-java"),
}
MTIME = 1700000000  # of what is made here
COPIES = {  # what base-passwd and libc-bin would copy when configured
    "etc/passwd": "usr/share/base-passwd/passwd.master",
    "etc/group": "usr/share/base-passwd/group.master",
    "etc/nsswitch.conf": "usr/share/libc-bin/nsswitch.conf",
}


def _output(*argv, **kw):
    return subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, **kw).stdout


def mirror():
    """The one that this machine's apt uses for Debian itself."""
    targets = _output("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)").decode()
    for line in targets.splitlines():
        uri, release = line.split()
        if release == "bookworm":
            return uri
    raise RuntimeError("apt has no sources for bookworm; run apt-get update first")


class Apt:
    """apt for one CPU and suite, with state of its own in a temporary folder; the packages that it
    downloads stay in the cache."""

    def __init__(self, tmp, cpu, suite):
        self.archives = CACHE / f"debs-{suite}-{cpu}"
        (self.archives / "partial").mkdir(parents=True, exist_ok=True)
        os.chmod(tmp, 0o755)
        for folder in ("lists/partial", "cache/archives/partial"):
            Path(tmp, folder).mkdir(parents=True)
        Path(tmp, "status").touch()
        Path(tmp, "sources.list").write_text(
            f"deb [arch={cpu} signed-by={KEYRING}] {mirror()} {suite} main\n")
        Path(tmp, "apt.conf").write_text(f"""
            APT::Architecture "{cpu}"; APT::Architectures {{ "{cpu}"; }};
            APT::Sandbox::User "root"; APT::Install-Recommends "false"; Acquire::Languages "none";
            Dir::Etc::sourcelist "{tmp}/sources.list"; Dir::Etc::sourceparts "/dev/null";
            Dir::Etc::preferencesparts "/dev/null"; Dir::State "{tmp}";
            Dir::State::status "{tmp}/status"; Dir::State::lists "{tmp}/lists";
            Dir::Cache "{tmp}/cache"; Debug::NoLocking "true"; Dir::Log "{tmp}";
            """)
        self._env = dict(os.environ, APT_CONFIG=f"{tmp}/apt.conf", DEBIAN_FRONTEND="noninteractive",
                         LC_ALL="C.UTF-8")
        self._run("update")

    def _run(self, *args, **kw):
        return _output("apt-get", "-qq", *args, env=self._env, **kw).decode()

    def packages(self, names):
        """The archive files of these packages, what they depend on, and all essential ones."""
        wanted = ["install", "-y", "?essential", *names]
        uris = self._run(*wanted, "--print-uris")
        self._run(*wanted, "--download-only", "-o", f"Dir::Cache::archives={self.archives}")
        return [self.archives / line.split()[1] for line in sorted(uris.splitlines())
                if line.startswith("'")]

    def package(self, name):
        """The archive file of this one alone."""
        wanted = ["download", name]
        uri = self._run(*wanted, "--print-uris").split()
        self._run(*wanted, cwd=self.archives)
        return self.archives / uri[1]


def _fields(control):
    """{field: its text, continuation lines included} of one stanza, in its order."""
    fields, name = {}, None
    for line in control.rstrip("\n").split("\n"):
        if line[:1] in " \t":
            fields[name] += "\n" + line
        else:
            name, value = line.split(":", 1)
            fields[name] = value.strip()
    return fields


class Database:
    """dpkg's, as it is when everything is unpacked and nothing is configured."""

    def __init__(self):
        self.stanzas = {}

    def unpacked(self, package, control, conffiles):
        status = {"Package": control["Package"], "Status": "install ok unpacked"}
        fields = status | {k: v for k, v in control.items() if k != "Package"}
        if conffiles:
            fields["Conffiles"] = "".join(f"\n {path} {md5}" for path, md5 in conffiles.items())
        self.stanzas[package] = "".join(
            f"{name}:{'' if text.startswith(chr(10)) else ' '}{text}\n"
            for name, text in fields.items())

    def status(self):
        return "\n".join(self.stanzas[name] for name in sorted(self.stanzas))


class Layer:
    """A layer's tar, written to a file package by package."""

    def __init__(self, path, database, below=None):
        self.path, self.database = path, database
        self.seen = set(below.seen) if below else set()
        self._tar = tarfile.open(path, "w", format=tarfile.PAX_FORMAT)
        self._kept = {}

    @staticmethod
    def _place(name):
        """Where a member of a package lies, now that /bin and its like are in /usr."""
        name = name.removeprefix("./").strip("/")
        first, slash, rest = name.partition("/")
        return f"usr/{first}/{rest}" if slash and first in ALIASED else name

    def _add(self, info, data=None):
        info.pax_headers = {}
        self.seen.add(info.name)
        self._tar.addfile(info, data)

    def text(self, name, text, mode=0o644):
        info = tarfile.TarInfo(name)
        data = text if isinstance(text, bytes) else text.encode()
        info.size, info.mode, info.mtime = len(data), mode, MTIME
        self._add(info, io.BytesIO(data))

    def symlink(self, name, target):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, target, 0o777
        info.mtime = MTIME
        self._add(info)

    def _member(self, info, data, conffiles):
        """Add one file of a package and note what is needed of it later."""
        info.name = self._place(info.name)
        if info.name in COPIES.values() or f"/{info.name}" in conffiles:
            content = data.read()
            data = io.BytesIO(content)
            self._kept[info.name] = content
        self._add(info, data)

    def package(self, deb):
        """Unpack one archive."""
        control_tar = tarfile.open(fileobj=io.BytesIO(_output("dpkg-deb", "--ctrl-tarfile", deb)))
        members = {Path(m.name).name: control_tar.extractfile(m).read()
                   for m in control_tar if m.isfile()}
        control = _fields(members.pop("control").decode())
        package = control["Package"]
        if control.get("Multi-Arch") == "same":
            package += ":" + control["Architecture"]
        conffiles = dict.fromkeys(members.get("conffiles", b"").decode().split("\n"))
        conffiles.pop("", None)
        paths = self._files(deb, conffiles)
        md5 = {c: hashlib.md5(self._kept[c.strip("/")]).hexdigest()
               for c in conffiles if c.strip("/") in self._kept}
        self.database.unpacked(package, control, md5)
        self.text(f"var/lib/dpkg/info/{package}.list", "".join(f"{p}\n" for p in paths))
        for name, content in members.items():
            script = name in ("preinst", "postinst", "prerm", "postrm", "config")
            self.text(f"var/lib/dpkg/info/{package}.{name}", content, 0o755 if script else 0o644)

    def _files(self, deb, conffiles):
        """Add the files; return their paths as dpkg lists them."""
        paths = []
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE) as pipe:
            tar = tarfile.open(fileobj=pipe.stdout, mode="r|")
            for info in tar:
                paths.append("/" + (info.name.removeprefix("./").strip("/") or "."))
                place = self._place(info.name)
                known = info.isdir() and place in self.seen
                if not place or place == "." or known or f"{place}/".startswith(LEFT_OUT):
                    continue
                if info.islnk():
                    info.linkname = self._place(info.linkname)
                self._member(info, tar.extractfile(info) if info.isreg() else None, conffiles)
        if pipe.returncode:
            raise RuntimeError(f"dpkg-deb cannot read {deb}")
        return paths

    def close(self):
        """What configuring would do, as far as programs do not run without it."""
        for name, source in COPIES.items():
            if source in self._kept:
                self.text(name, self._kept[source])
        for name, (target, sign) in ALTERNATIVES.items():
            if sign in self.seen and f"etc/alternatives/{name}" not in self.seen:
                self.symlink(f"usr/bin/{name}", f"/etc/alternatives/{name}")
                self.symlink(f"etc/alternatives/{name}", target)
        self.text("var/lib/dpkg/status", self.database.status())
        self.text("var/lib/dpkg/info/format", "1\n")
        self.text("var/lib/dpkg/available", "")
        self._tar.close()
        return self.path


def file_of(cpu, suite, package, *paths):
    """The content of the first of these files that there is in a package."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, open(CACHE / ".debs.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        deb = Apt(tmp, cpu, suite).package(package)
        tar = tarfile.open(fileobj=io.BytesIO(_output("dpkg-deb", "--fsys-tarfile", deb)))
        known = {info.name.removeprefix("./"): info for info in tar}
        return tar.extractfile(next(known[path] for path in paths if path in known)).read()


def layers(folder, cpu, suite, *lists):
    """Tar files in folder, one for each list of package names; each adds to those before it."""
    made, database, below, done = [], Database(), None, set()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, open(CACHE / ".debs.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        apt = Apt(tmp, cpu, suite)
        names = []
        for more in lists:
            names += more
            debs = [deb for deb in apt.packages(names) if deb not in done]
            done.update(debs)
            below = Layer(Path(folder, f"layer-{len(made)}.tar"), database, below)
            # The links from base-files are there before anything is put behind them.
            for deb in sorted(debs, key=lambda d: (not d.name.startswith("base-files_"), d.name)):
                below.package(deb)
            made.append(below.close())
    return made


def root(cpu, suite, names):
    """A folder in the cache with these packages unpacked, made once."""
    key = hashlib.sha256(" ".join([suite, *names, Path(__file__).read_text()]).encode()).hexdigest()
    CACHE.mkdir(parents=True, exist_ok=True)
    target, stamp = CACHE / f"root-{cpu}", CACHE / f".root-{cpu}.key"
    with open(CACHE / f".root-{cpu}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (target.is_dir() and stamp.exists() and stamp.read_text() == key):
            with tempfile.TemporaryDirectory(dir=CACHE) as tmp:
                Path(tmp, "root").mkdir()
                for tar in layers(tmp, cpu, suite, names):
                    subprocess.run(["tar", "-C", f"{tmp}/root", "-xf", tar], check=True)
                shutil.rmtree(target, ignore_errors=True)
                Path(tmp, "root").rename(target)
            stamp.write_text(key)
    return target

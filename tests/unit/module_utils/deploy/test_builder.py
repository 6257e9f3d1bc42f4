# SPDX-License-Identifier: Apache-2.0
"""A build has a room of its own: what it needs is in there, for that time, and nobody else's is within reach."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy import builder, release
from ansible_collections.modwsgi.deploy.plugins.module_utils.deploy.builder import (
    GIT,
    PIP,
    BuildError,
    Credentials,
    GitCredentials,
    Limits,
    PipCredentials,
    passing_room,
    redact,
    room,
)
from support.building import ACCOUNT, build_ground

only_root = pytest.mark.root("only root can become an account")
LIMITS = Limits(seconds=60, size=10_000_000)


@pytest.fixture(name="ground")
def fixture_ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    with build_ground(monkeypatch) as folder:
        yield folder


def script(text: str) -> list[str]:
    return ["sh", "-c", text]


@only_root
def test_a_command_is_the_accounts_with_no_rights_and_an_environment_of_its_own(
    ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LD_PRELOAD_OF_OTHERS", "x")
    monkeypatch.setenv("https_proxy", "http://proxy.example.com")
    monkeypatch.setenv("PIP_INDEX_URL", "https://pypi.example.com/simple")
    monkeypatch.setenv("PIP_CACHE_DIR", "/root/.cache")
    with room("shop", PIP, LIMITS) as made:
        told = made.run(script("id -u; id -g; id -G; grep NoNewPrivs /proc/self/status; ulimit -c; umask; pwd")).output
        variables = dict(line.split("=", 1) for line in made.run(["env"]).output.splitlines())
    account = str(ACCOUNT)
    folder = str(ground / "rooms/build/shop/pip/scratch")
    assert told.split() == [account, account, account, "NoNewPrivs:", "1", "0", "0022", f"{folder}/work"]
    passed_on = {key for key in variables if builder.PASSED_ON.fullmatch(key)}
    assert {"https_proxy", "PIP_INDEX_URL"} <= passed_on
    assert {key: value for key, value in variables.items() if key not in passed_on} == {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "HOME": f"{ground}/rooms/build/shop/pip/home",
        "TMPDIR": folder,
    }


@only_root
def test_a_room_is_closed_but_for_its_build(ground: Path) -> None:
    """Neither another application's room, nor git's from within pip's, can be entered."""
    for name, kind in (("shop", GIT), ("shop", PIP), ("blog", PIP)):
        with room(name, kind, LIMITS) as made:
            made.folder("cache")
            made.write("secret", f"{name} {kind}")
    with room("shop", PIP, LIMITS) as made:
        made.write("own", "")
        seen = made.run(
            script(f"cd {ground}/rooms/build; ls shop/pip/home shop/git shop/git/cache blog/pip blog/pip/cache")
        )
    assert seen.output.count("Permission denied") == 4
    assert "own" in seen.output
    rooms = [ground / "rooms/build" / name for name in ("shop/git", "shop/pip", "blog/pip")]
    assert [(path.stat().st_mode & 0o777, path.stat().st_uid, os.listdir(path)) for path in rooms] == [
        (0o700, 0, ["cache"])
    ] * 3


@only_root
def test_what_a_killed_run_left_is_gone_before_the_next_build_of_anybody(ground: Path) -> None:
    pid = os.fork()
    if pid == 0:
        with room("shop", GIT, LIMITS) as made:
            made.write("ssh_key", "secret")
            os._exit(0)  # as if killed: nothing is cleaned up
    os.waitpid(pid, 0)
    left = ground / "rooms/build/shop/git"
    assert (left / "home/ssh_key").exists()
    with room("blog", PIP, LIMITS):
        assert list(left.iterdir()) == []
        assert left.stat().st_mode & 0o777 == 0o700


@only_root
def test_builds_wait_for_each_other(ground: Path) -> None:
    with room("shop", PIP, LIMITS):
        lock = ground / "rooms/build/.lock"
        assert subprocess.run(["flock", "--nonblock", lock, "true"], check=False).returncode == 1
    assert subprocess.run(["flock", "--nonblock", lock, "true"], check=False).returncode == 0


@pytest.mark.slow
def test_a_build_is_bounded(ground: Path) -> None:
    with room("shop", PIP, LIMITS._replace(seconds=1)) as made, pytest.raises(BuildError, match="longer than 1 s"):
        made.run(["sleep", "600"])
    with room("shop", PIP, LIMITS) as made:
        with pytest.raises(BuildError, match=r"larger than 10000000 bytes \(wsgi_app_build_size\)"):
            made.run(["dd", "if=/dev/zero", "of=large", "bs=1M", "count=20"])
        with pytest.raises(BuildError, match="No such file or directory"):
            made.run(["no-such-program"])
    assert not (ground / "rooms/build/shop/pip/scratch").exists()


@pytest.mark.slow
def test_what_stays_is_emptied_when_it_is_too_large(ground: Path) -> None:
    cache = ground / "rooms/build/shop/pip/cache"
    for count, stays in ((3, True), (6, False)):
        with room("shop", PIP, LIMITS) as made:
            for number in range(count):
                made.run(
                    ["dd", "if=/dev/zero", f"of={made.folder('cache')}/{number}", "bs=1M", "count=2", "status=none"]
                )
            made.bound(str(cache))
        assert cache.exists() is stays


@pytest.mark.slow
@only_root
def test_a_tree_that_defies_removal_goes(ground: Path) -> None:
    """Deeper than a path can name, without permissions, and with a link to what is root's."""
    (ground / "roots").mkdir()
    (ground / "roots/file").touch()
    deep = "import os\nfor _ in range(5000):\n os.mkdir('d'); os.chdir('d')\n"
    with room("shop", PIP, LIMITS) as made:
        made.run(["python3", "-c", deep])
        made.run(script(f"ln -s {ground}/roots link; mkdir closed; touch closed/x; chmod 0 closed"))
    assert os.listdir(ground / "rooms/build/shop/pip") == []
    assert (ground / "roots/file").exists()


@only_root
def test_a_folder_of_others_in_the_place_of_a_room_is_refused(ground: Path) -> None:
    (ground / "rooms").mkdir()
    (ground / "elsewhere").mkdir()
    (ground / "rooms/build").symlink_to(ground / "elsewhere")
    with pytest.raises(BuildError, match="is no folder of root's"), room("shop", PIP, LIMITS):
        pass
    assert list((ground / "elsewhere").iterdir()) == []


@only_root
def test_on_a_fresh_host_a_repository_can_be_asked(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "build_account", lambda: None)
    with passing_room(LIMITS) as made:
        path = Path(made.path)
        assert made.run(["id", "-un"]).output == "nobody\n"
        assert made.run(script('cd "$HOME" && touch file')).status == 0
    assert not path.exists()
    assert not (ground / "rooms").exists()
    with pytest.raises(BuildError, match="the account modwsgi-build is not on the host"), room("shop", PIP, LIMITS):
        pass


@pytest.mark.usefixtures("ground")
def test_git_gets_a_password_from_a_file_that_only_the_account_reads() -> None:
    credentials = GitCredentials(username="deploy", password="s3cret/@:word")
    with passing_room(LIMITS) as made:
        builder.admit_git(made, "https://git.example.com/shop.git", credentials)
        asked = made.run(script("printf 'protocol=https\\nhost=git.example.com\\n\\n' | git credential fill"))
        other = made.run(script("printf 'protocol=https\\nhost=other.example.com\\n\\n' | git credential fill"))
        names = [path for path in Path(made.home).iterdir() if "s3cret" in path.read_text()]
        told = made.run(["echo", "s3cret/@:word", "s3cret%2F%40%3Aword"]).output
        configured = json.dumps(made.variables)
    # The answer is git's; that it is blotted out shows that it is the password.
    assert f"username=deploy\npassword={builder.HIDDEN}\n" in asked.output
    assert other.status != 0
    assert [path.name for path in names] == ["git-credentials"]
    assert told == f"{builder.HIDDEN} {builder.HIDDEN}\n"
    assert "s3cret" not in configured


@pytest.mark.parametrize("known", ["git.example.com ssh-ed25519 AAAA", ""])
@pytest.mark.usefixtures("ground")
def test_ssh_has_the_keys_that_are_given_and_no_others(known: str) -> None:
    with passing_room(LIMITS) as made:
        builder.admit_pip(made, PipCredentials(ssh_key="-----BEGIN KEY-----\nsecret", known_hosts=known))
        command = made.variables["GIT_SSH_COMMAND"]
        key = Path(made.home, "ssh_key")
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.read_text().endswith("secret\n")
    options = dict(option.split("=") for option in command.split()[2::2])
    assert options["StrictHostKeyChecking"] == options["BatchMode"] == options["IdentitiesOnly"] == "yes"
    assert options["IdentityFile"] == str(key)
    assert options.get("GlobalKnownHostsFile") == ("/dev/null" if known else None)
    assert options["UserKnownHostsFile"] == (str(Path(key.parent, "known_hosts")) if known else "/dev/null")


@pytest.mark.usefixtures("ground")
def test_pip_has_the_indexes_of_the_application_and_trusts_its_authorities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.crt").write_text("of the host\n")
    monkeypatch.setattr(builder, "HOST_AUTHORITIES", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://pypi.example.com/of-the-play")
    given = PipCredentials(index_url="https://a/simple", extra_index_urls=["https://b", "https://c"], trusted_ca="PEM")
    with passing_room(LIMITS) as made:
        builder.admit_pip(made, given)
        assert made.variables["PIP_INDEX_URL"] == "https://a/simple"
        assert made.variables["PIP_EXTRA_INDEX_URL"] == "https://b https://c"
        assert made.variables["PIP_CERT"] == made.variables["GIT_SSL_CAINFO"]
        assert Path(made.variables["PIP_CERT"]).read_text() == "of the host\n\nPEM\n"
    with passing_room(LIMITS) as made:
        builder.admit_pip(made, PipCredentials(index_url="https://a/simple"))
        assert made.variables["PIP_EXTRA_INDEX_URL"] == ""
    with passing_room(LIMITS) as made:
        builder.admit_pip(made, PipCredentials())
        assert made.variables["PIP_EXTRA_INDEX_URL"] == "https://pypi.example.com/of-the-play"


@pytest.mark.usefixtures("ground")
def test_a_build_has_the_variables_that_its_requirements_name_and_no_others() -> None:
    with passing_room(LIMITS) as made:
        builder.admit_variables(made, {"TOKEN"}, {"TOKEN": "s3cret-token", "SECRET_KEY": "s3cret-key", "PATH": "/x"})
        assert "s3cret" not in made.run(["env"]).output
        assert made.variables["TOKEN"] == "s3cret-token"
        assert not {"SECRET_KEY"} & made.variables.keys()
        assert made.variables["PATH"] == builder.PATH


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("fatal: https://user:token@git.example.com/x", "fatal: https://********@git.example.com/x"),
        ("Looking in indexes: https://a:p@ss@x/simple, //y", "Looking in indexes: https://********@x/simple, //y"),
        ("https://token@x", "https://********@x"),
        ("git@x:y ssh://git@x/y https://x/@scope", "git@x:y ssh://git@x/y https://x/@scope"),
        ("it said: hunter2-and-more", "it said: ********-and-more"),
        ("the key line AAAABBBB", "the key line ********"),
    ],
)
def test_messages_hold_no_secret(text: str, shown: str) -> None:
    hidden = [
        *builder.secrets(PipCredentials(netrc="machine x\n login y\n password hunter2\n")),
        *builder.secrets(GitCredentials(ssh_key="-----BEGIN KEY-----\nAAAABBBB\n-----END KEY-----")),
    ]
    assert redact(text, hidden) == shown


def test_credentials_travel_as_one_text() -> None:
    given = {"shop": {"git": {"password": "p"}, "pip": {"netrc": "n"}}}
    encoded = base64.b64encode(json.dumps(given).encode()).decode()
    found = builder.credentials_of({"credentials": encoded}, "shop")
    assert found == Credentials(GitCredentials(password="p"), PipCredentials(netrc="n"))
    assert builder.credentials_of({"credentials": encoded}, "other") == Credentials()
    assert builder.credentials_of({}, "shop") == Credentials()
    for damaged in ("-", "W10=", base64.b64encode(b'{"shop": {"git": {"secret": "s3cret"}}}').decode()):
        with pytest.raises(ValueError, match=r"^The option credentials must be base64-encoded JSON of a mapping\.$"):
            builder.decode_credentials(damaged)


def source(**keys: str) -> dict:
    found = {"git": "https://git.invalid/shop.git", "version": "main", "exclude": [], **keys}
    return {"name": "shop", "source": found, "paths": {}, "static_root": ""}


@pytest.mark.parametrize("keys", [{"version": "--upload-pack=x"}, {"git": "--upload-pack=x"}])
def test_what_git_would_take_for_an_option_is_refused(keys: dict[str, str]) -> None:
    with pytest.raises(release.ReleaseError, match="begins with '-'"):
        release.Git(source(**keys), {})


def test_a_failure_of_git_says_how_to_give_access_and_no_secret(ground: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = ground / "git"
    program.write_text(
        "#!/bin/sh\n"
        'for word; do [ "$word" = -- ] && break; shift; done\n'
        'echo "fatal: could not read Username for $2 (s3cret-password)"; exit 128\n'
    )
    program.chmod(0o755)
    monkeypatch.setattr(builder, "PATH", f"{ground}:{builder.PATH}")
    encoded = base64.b64encode(b'{"shop": {"git": {"username": "u", "password": "s3cret-password"}}}').decode()
    git = release.Git(source(git="https://user:token@git.invalid/x"), {"credentials": encoded})
    with pytest.raises(release.ReleaseError) as raised:
        git.resolve()
    sentence = str(raised.value)
    assert "give access by the key source.credentials" in sentence
    assert "token" not in sentence
    assert "s3cret" not in sentence


@pytest.mark.slow
def test_a_fetch_that_was_cut_off_begins_anew(ground: Path) -> None:
    """Git that is killed leaves locks, at which all later ones would fail."""
    origin = ground / "origin"
    run = ["git", "-c", "user.name=A", "-c", "user.email=a@example.com", "-C", str(origin)]
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", str(origin)], check=True)
    (origin / "wsgi.py").touch()
    subprocess.run([*run, "add", "."], check=True)
    subprocess.run([*run, "commit", "--quiet", "--message=one"], check=True)
    application = source(git=f"file://{origin}")
    git = release.Git(application, {})
    with room("shop", GIT, LIMITS) as made:
        builder.admit_git(made, git.address, git.credentials)
        copy = Path(git._fetch(made))
        assert (copy / "HEAD").exists()
        (copy / "packed-refs.lock").touch()
        Path(made.path, "unfinished").touch()
        git._fetch(made)
        assert not (copy / "packed-refs.lock").exists()
        assert not Path(made.path, "unfinished").exists()

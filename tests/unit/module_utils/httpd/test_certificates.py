# SPDX-License-Identifier: Apache-2.0
"""A certificate that browsers or httpd would refuse is named; one for development is made, and made again in time."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd import certificates
from ansible_collections.modwsgi.deploy.plugins.module_utils.httpd.journal import Journal
from ansible_collections.modwsgi.deploy.plugins.module_utils.instance import instance

pytestmark = pytest.mark.slow


@pytest.fixture(name="described", autouse=True)
def fixture_described(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An instance without a service manager and without a running httpd."""
    folder = str(tmp_path_factory.mktemp("instance"))
    return {**instance("apache2"), "unit": "", "pid_file": f"{folder}/pid", "state_directory": folder}


def entry(folder: Path, *names: str, self_signed: bool = True) -> dict[str, Any]:
    return {
        "name": "shop",
        "certificate": str(folder / "shop.crt"),
        "key": str(folder / "shop.key"),
        "names": list(names) or ["shop.example"],
        "self_signed": self_signed,
    }


@pytest.fixture(name="made")
def fixture_made(described: dict[str, str], tmp_path: Path) -> dict[str, Any]:
    made = entry(tmp_path, "shop.example", "*.shop.example", "192.0.2.1")
    assert certificates.run(described, [made], False)[0]
    return made


def refused(described: dict[str, str], given: dict[str, Any]) -> str:
    with pytest.raises(certificates.CertificateError) as error:
        certificates.run(described, [{**given, "self_signed": False}], False)
    return str(error.value)


def test_one_for_development_is_made_once(described: dict[str, str], made: dict[str, Any]) -> None:
    before = Path(made["certificate"]).read_text()
    changed, found = certificates.run(described, [made], False)
    assert not changed
    assert Path(made["certificate"]).read_text() == before
    assert len(found["shop"]["fingerprint"]) == 64
    assert found["shop"]["stapling"] is False
    assert Path(made["key"]).stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path(made["key"]).parent.iterdir() if path.is_dir()] == []


def test_other_names_need_another_one(described: dict[str, str], made: dict[str, Any]) -> None:
    assert certificates.run(described, [{**made, "names": ["shop.example"]}], False)[0]
    assert certificates.Certificate(made["certificate"]).names == ["shop.example"]


def test_one_near_its_end_is_made_again(
    described: dict[str, str], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificates, "RENEWED_BEFORE", certificates.DAYS + 1)
    assert certificates.run(described, [made], True)[0]


def test_check_mode_makes_nothing(described: dict[str, str], tmp_path: Path) -> None:
    assert certificates.run(described, [entry(tmp_path)], True) == (True, {})
    assert list(tmp_path.iterdir()) == []


def test_a_given_one_that_is_right_is_taken(described: dict[str, str], made: dict[str, Any]) -> None:
    changed, found = certificates.run(described, [{**made, "self_signed": False}], False)
    assert not changed
    assert found["shop"]["fingerprint"]


def test_a_new_certificate_has_another_fingerprint(described: dict[str, str], made: dict[str, Any]) -> None:
    before = certificates.examine([made])[1]["shop"]["fingerprint"]
    certificates.put(described, [made])
    assert certificates.examine([made])[1]["shop"]["fingerprint"] != before


def test_the_previous_one_comes_back_with_the_rest_of_the_deployment(
    described: dict[str, str], made: dict[str, Any]
) -> None:
    journal = Journal(described["state_directory"])
    journal.commit()
    paths = [Path(made["certificate"]), Path(made["key"])]
    before = [path.read_bytes() for path in paths]
    certificates.run(described, [{**made, "names": ["blog.example"]}], False)
    assert all(path.read_bytes() != old for path, old in zip(paths, before, strict=True))
    journal.undo_all()
    assert [path.read_bytes() for path in paths] == before


def test_one_that_was_not_there_goes_with_the_deployment(described: dict[str, str], tmp_path: Path) -> None:
    certificates.run(described, [entry(tmp_path / "tls")], False)
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700
    Journal(described["state_directory"]).undo_all()
    assert not (tmp_path / "tls").exists()


@pytest.mark.parametrize(
    ("extensions", "certificates_in_file", "stapled"),
    [
        (["authorityInfoAccess=OCSP;URI:http://ocsp.example/ca"], 2, True),
        (["authorityInfoAccess=OCSP;URI:http://ocsp.example/ca"], 1, False),
        ([], 2, False),
    ],
)
def test_stapling_needs_a_responder_and_the_issuer(
    described: dict[str, str], tmp_path: Path, extensions: list[str], certificates_in_file: int, stapled: bool
) -> None:
    given = entry(tmp_path, self_signed=False)
    more = [word for extension in ["subjectAltName=DNS:shop.example", *extensions] for word in ("-addext", extension)]
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=x",
        "-keyout",
        given["key"],
        *more,
    ]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    Path(given["certificate"]).write_bytes(made * certificates_in_file)
    assert certificates.run(described, [given], False)[1]["shop"]["stapling"] is stapled


def test_what_is_not_there_is_named(described: dict[str, str], made: dict[str, Any]) -> None:
    Path(made["key"]).unlink()
    assert refused(described, made) == (
        f"wsgi_apps: application 'shop', key tls.key: {made['key']} cannot be read on the host "
        "(No such file or directory); put the file there."
    )


def test_a_key_of_another_certificate_is_refused(described: dict[str, str], made: dict[str, Any]) -> None:
    key = subprocess.run(["openssl", "genrsa", "2048"], capture_output=True, check=True).stdout
    Path(made["key"]).write_bytes(key)
    assert refused(described, made) == (
        f"wsgi_apps: application 'shop', key tls.key: {made['key']} is not the key of {made['certificate']}; "
        "give the pair that belongs together."
    )


def test_a_key_with_a_passphrase_is_refused(described: dict[str, str], made: dict[str, Any]) -> None:
    locked = subprocess.run(
        ["openssl", "pkey", "-in", made["key"], "-aes256", "-passout", "pass:secret"], capture_output=True, check=True
    ).stdout
    Path(made["key"]).write_bytes(locked)
    assert "without a passphrase" in refused(described, made)


def test_what_is_no_certificate_is_refused(described: dict[str, str], made: dict[str, Any]) -> None:
    Path(made["certificate"]).write_text("hello")
    assert "holds no certificate in PEM form" in refused(described, made)


def test_a_certificate_for_another_name_is_refused(described: dict[str, str], made: dict[str, Any]) -> None:
    assert "is for shop.example, *.shop.example, 192.0.2.1 and not for blog.example" in refused(
        described, {**made, "names": ["blog.example"]}
    )


def test_an_expired_certificate_is_refused(
    described: dict[str, str], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = certificates.openssl

    def later(*arguments: str) -> Any:
        end = str((certificates.DAYS + 1) * 86400)
        return real(
            *(
                end if previous == "-checkend" else word
                for previous, word in zip(("", *arguments), arguments, strict=False)
            )
        )

    monkeypatch.setattr(certificates, "openssl", later)
    assert refused(described, made).endswith("has expired; renew it.")


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("shop.example", "SHOP.example", True),
        ("*.example", "shop.example", True),
        ("*.example", "a.shop.example", False),
        ("*.example", "example", False),
        ("192.0.2.1", "192.0.2.1", True),
    ],
)
def test_names_that_a_certificate_stands_for(pattern: str, name: str, covered: bool) -> None:
    assert certificates.covers(pattern, name) is covered


def test_before_openssl_is_installed_only_missing_files_are_found(
    described: dict[str, str], made: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: None)
    given = {**made, "self_signed": False}
    assert certificates.run(described, [given], True) == (False, {})
    assert certificates.run(described, [made], True) == (True, {})
    assert certificates.examine([given, made]) == ([made], {})
    assert "install it (the role httpd does)" in refused(described, made)
    Path(made["certificate"]).unlink()
    with pytest.raises(certificates.CertificateError, match="cannot be read"):
        certificates.run(described, [given], False)

# Made from images/versions.json and tools/laboratory/suites.py: see tools/image_versions.py.
# How it is used: docs/publishing.md. Variables are taken from the environment.

variable "REGISTRY" {
  default = "" # host[:port]/path; empty for names without it
}

variable "CONTEXT" {
  default = ".lab/image-context" # the folder that `tools/lab.py image-context` has made
}

# What `tools/lab.py image-context` prints: the values that come from the commit.
variable "REVISION" {
  default = ""
}

variable "CREATED" {
  default = ""
}

variable "SOURCE" {
  default = ""
}

variable "SOURCE_DATE_EPOCH" {
  default = null # seconds since 1970
}

function "base" {
  params = [name, digest]
  result = digest == "" ? name : "${name}@${digest}"
}

function "names" {
  params = [tags]
  result = [for tag in tags : "${REGISTRY == "" ? "" : "${REGISTRY}/"}mod-wsgi:${tag}"]
}

target "_common" {
  context    = CONTEXT
  dockerfile = "Containerfile"
  platforms  = ["linux/amd64", "linux/arm64"]
  attest     = ["type=sbom", "type=provenance,mode=max"]
  args = {
    REVISION          = REVISION
    CREATED           = CREATED
    SOURCE            = SOURCE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
}

variable "BOOKWORM_BASE" {
  default = "debian:bookworm-slim"
}

variable "BOOKWORM_DIGEST" {
  default = "" # of BOOKWORM_BASE; the workflow asks the registry for it
}

variable "TRIXIE_BASE" {
  default = "debian:trixie-slim"
}

variable "TRIXIE_DIGEST" {
  default = "" # of TRIXIE_BASE; the workflow asks the registry for it
}

variable "FORKY_BASE" {
  default = "debian:forky-slim"
}

variable "FORKY_DIGEST" {
  default = "" # of FORKY_BASE; the workflow asks the registry for it
}

variable "BULLSEYE_BASE" {
  default = "debian:bullseye-slim"
}

variable "BULLSEYE_DIGEST" {
  default = "" # of BULLSEYE_BASE; the workflow asks the registry for it
}

group "default" {
  targets = ["6_1_1-python3_11", "6_1_1-python3_13", "6_1_1-python3_14", "5_0_2-python3_9"]
}

group "6_1_1-python3_11" {
  targets = ["6_1_1-python3_11-build", "6_1_1-python3_11-slim", "6_1_1-python3_11-default"]
}

target "_6_1_1-python3_11" {
  inherits = ["_common"]
  args = {
    BASE_IMAGE       = base(BOOKWORM_BASE, BOOKWORM_DIGEST)
    CONTROL_IMAGE    = base(BOOKWORM_BASE, BOOKWORM_DIGEST)
    BASE_NAME        = BOOKWORM_BASE
    BASE_DIGEST      = BOOKWORM_DIGEST
    APT_OPTIONS      = ""
    APT_PREFERENCES  = ""
    PYTHON_VERSION   = "3.11"
    MOD_WSGI_VERSION = "6.1.1"
  }
}

target "6_1_1-python3_11-build" {
  inherits = ["_6_1_1-python3_11"]
  target   = "build"
  tags     = names(["6.1.1-python3.11-build"])
}

target "6_1_1-python3_11-slim" {
  inherits = ["_6_1_1-python3_11"]
  target   = "slim"
  tags     = names(["6.1.1-python3.11-slim", "6.1.1-slim", "slim"])
}

target "6_1_1-python3_11-default" {
  inherits = ["_6_1_1-python3_11"]
  target   = "default"
  tags     = names(["6.1.1-python3.11", "6.1.1", "latest"])
}

group "6_1_1-python3_13" {
  targets = ["6_1_1-python3_13-build", "6_1_1-python3_13-slim", "6_1_1-python3_13-default"]
}

target "_6_1_1-python3_13" {
  inherits = ["_common"]
  args = {
    BASE_IMAGE       = base(TRIXIE_BASE, TRIXIE_DIGEST)
    CONTROL_IMAGE    = base(TRIXIE_BASE, TRIXIE_DIGEST)
    BASE_NAME        = TRIXIE_BASE
    BASE_DIGEST      = TRIXIE_DIGEST
    APT_OPTIONS      = ""
    APT_PREFERENCES  = ""
    PYTHON_VERSION   = "3.13"
    MOD_WSGI_VERSION = "6.1.1"
  }
}

target "6_1_1-python3_13-build" {
  inherits = ["_6_1_1-python3_13"]
  target   = "build"
  tags     = names(["6.1.1-python3.13-build"])
}

target "6_1_1-python3_13-slim" {
  inherits = ["_6_1_1-python3_13"]
  target   = "slim"
  tags     = names(["6.1.1-python3.13-slim"])
}

target "6_1_1-python3_13-default" {
  inherits = ["_6_1_1-python3_13"]
  target   = "default"
  tags     = names(["6.1.1-python3.13"])
}

group "6_1_1-python3_14" {
  targets = ["6_1_1-python3_14-build", "6_1_1-python3_14-slim", "6_1_1-python3_14-default"]
}

target "_6_1_1-python3_14" {
  inherits = ["_common"]
  args = {
    BASE_IMAGE       = base(FORKY_BASE, FORKY_DIGEST)
    CONTROL_IMAGE    = base(FORKY_BASE, FORKY_DIGEST)
    BASE_NAME        = FORKY_BASE
    BASE_DIGEST      = FORKY_DIGEST
    APT_OPTIONS      = "Acquire::Check-Valid-Until \"false\";"
    APT_PREFERENCES  = ""
    PYTHON_VERSION   = "3.14"
    MOD_WSGI_VERSION = "6.1.1"
  }
}

target "6_1_1-python3_14-build" {
  inherits = ["_6_1_1-python3_14"]
  target   = "build"
  tags     = names(["6.1.1-python3.14-build"])
}

target "6_1_1-python3_14-slim" {
  inherits = ["_6_1_1-python3_14"]
  target   = "slim"
  tags     = names(["6.1.1-python3.14-slim"])
}

target "6_1_1-python3_14-default" {
  inherits = ["_6_1_1-python3_14"]
  target   = "default"
  tags     = names(["6.1.1-python3.14"])
}

group "5_0_2-python3_9" {
  targets = ["5_0_2-python3_9-build", "5_0_2-python3_9-slim", "5_0_2-python3_9-default"]
}

target "_5_0_2-python3_9" {
  inherits = ["_common"]
  args = {
    BASE_IMAGE       = base(BULLSEYE_BASE, BULLSEYE_DIGEST)
    CONTROL_IMAGE    = base(BOOKWORM_BASE, BOOKWORM_DIGEST)
    BASE_NAME        = BULLSEYE_BASE
    BASE_DIGEST      = BULLSEYE_DIGEST
    APT_OPTIONS      = ""
    APT_PREFERENCES  = "Package: apache2* libaprutil1*\nPin: release n=bullseye-security\nPin-Priority: -1"
    PYTHON_VERSION   = "3.9"
    MOD_WSGI_VERSION = "5.0.2"
  }
}

target "5_0_2-python3_9-build" {
  inherits = ["_5_0_2-python3_9"]
  target   = "build"
  tags     = names(["5.0.2-python3.9-build"])
}

target "5_0_2-python3_9-slim" {
  inherits = ["_5_0_2-python3_9"]
  target   = "slim"
  tags     = names(["5.0.2-python3.9-slim", "5.0.2-slim"])
}

target "5_0_2-python3_9-default" {
  inherits = ["_5_0_2-python3_9"]
  target   = "default"
  tags     = names(["5.0.2-python3.9", "5.0.2"])
}

# The images of images/versions.json, which bake reads as well:
#   docker buildx bake --file docker-bake.hcl --file images/versions.json
# docs/publishing.md tells how it is used. Variables are taken from the environment.

variable "REGISTRY" {
  default = "" # host[:port]/path; empty for names without it
}

variable "CONTEXT" {
  default = ".lab/image-context" # the folder that `tools/lab.py image-context` has made
}

variable "BASES" {
  default = "{}" # JSON, what to take instead of a base: {"debian:bookworm-slim": "debian:bookworm-slim@sha256:..."}
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
  params = [suite]
  result = lookup(jsondecode(BASES), "debian:${suite}-slim", "debian:${suite}-slim")
}

# The tags of an image that serves; the first is its own.
function "tags" {
  params = [image]
  result = concat(
    ["${lookup(image, "module", module)}-python${image.python}"],
    lookup(image, "short", false) ? [lookup(image, "module", module)] : [],
    lookup(image, "short", false) && lookup(image, "module", module) == module ? ["latest"] : [],
  )
}

target "default" {
  name = "${replace(tags(image)[0], ".", "_")}-${form}"
  matrix = {
    image = images
    form  = ["build", "slim", "default"]
  }
  context    = CONTEXT
  dockerfile = "Containerfile"
  target     = form
  platforms  = ["linux/amd64", "linux/arm64"]
  attest     = ["type=sbom", "type=provenance,mode=max"]
  tags = [
    for tag in form == "build" ? slice(tags(image), 0, 1) : tags(image) : join("", [
      REGISTRY == "" ? "" : "${REGISTRY}/",
      "mod-wsgi:",
      form == "slim" && tag == "latest" ? "slim" : form == "default" ? tag : "${tag}-${form}",
    ])
  ]
  args = {
    BASE_IMAGE        = base(image.suite)
    BASE_NAME         = split("@", base(image.suite))[0]
    BASE_DIGEST       = try(split("@", base(image.suite))[1], "")
    CONTROL_IMAGE     = base(lookup(image, "control", image.suite))
    APT_OPTIONS       = lookup(image, "apt_options", "")
    APT_PREFERENCES   = lookup(image, "apt_preferences", "")
    PYTHON_VERSION    = image.python
    MOD_WSGI_VERSION  = lookup(image, "module", module)
    REVISION          = REVISION
    CREATED           = CREATED
    SOURCE            = SOURCE
    SOURCE_DATE_EPOCH = SOURCE_DATE_EPOCH
  }
}

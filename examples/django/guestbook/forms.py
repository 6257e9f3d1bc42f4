# SPDX-License-Identifier: Apache-2.0
"""Forms that do more than copy fields."""

from __future__ import annotations

import hashlib

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.template.defaultfilters import filesizeformat

from guestbook.models import Upload

MAX_UPLOAD_BYTES = 32 * 1024 * 1024


class UploadForm(forms.ModelForm):
    """Takes one file and records what arrived, never what the client says about it."""

    class Meta:
        model = Upload
        fields = ["file"]

    def clean_file(self) -> UploadedFile:
        """Refuse a file above `MAX_UPLOAD_BYTES`."""
        file: UploadedFile = self.cleaned_data["file"]
        if file.size > MAX_UPLOAD_BYTES:
            raise ValidationError(f"The file is larger than {filesizeformat(MAX_UPLOAD_BYTES)}.")
        return file

    def save(self, commit: bool = True) -> Upload:
        """Store the file with its name, size and SHA-256, read in chunks so that memory use stays flat."""
        file: UploadedFile = self.cleaned_data["file"]
        digest = hashlib.sha256()
        for chunk in file.chunks():
            digest.update(chunk)
        self.instance.name = file.name
        self.instance.size = file.size
        self.instance.sha256 = digest.hexdigest()
        return super().save(commit)

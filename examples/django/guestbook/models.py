# SPDX-License-Identifier: Apache-2.0
"""What visitors leave behind."""

from __future__ import annotations

from typing import Any

from django.db import models, transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver
from django.urls import reverse


class Entry(models.Model):
    """A signed message."""

    author = models.CharField(max_length=80)
    message = models.TextField(max_length=2000)
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created", "-pk"]
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"{self.author}, {self.created:%Y-%m-%d %H:%M}"


class Upload(models.Model):
    """An uploaded file, with the size and the SHA-256 of what arrived."""

    file = models.FileField(upload_to="uploads/%Y/%m/", max_length=255)
    name = models.CharField(max_length=255, help_text="The file's name on the visitor's side.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    sha256 = models.CharField("SHA-256", max_length=64)
    created = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        ordering = ["-created", "-pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("guestbook:download", args=[self.pk])


@receiver(post_delete, sender=Upload)
def remove_file(instance: Upload, **kwargs: Any) -> None:
    """Remove a deleted upload's file, once the deletion is certain."""
    transaction.on_commit(lambda: instance.file.delete(save=False))

"""Copying trials and studies, within a storage and between storages, and backing a storage up."""

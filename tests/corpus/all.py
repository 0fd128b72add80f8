"""All entries."""

from tests.corpus import images, language, sound, states, tuning

CORPUS = [*tuning.FILES, *language.FILES, *images.FILES, *sound.FILES, *states.FILES]

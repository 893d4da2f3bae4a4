# SPDX-License-Identifier: MIT OR Apache-2.0
"""What the teacher's 521 AudioSet classes say about labels."""
import csv
from pathlib import Path

import numpy as np

# AudioSet's classes that mean the label.
MEANING = {
    "Acoustic_guitar": ["Acoustic guitar", "Guitar", "Plucked string instrument"],
    "Alarm": ["Alarm", "Smoke detector, smoke alarm", "Buzzer", "Fire alarm", "Alarm clock", "Car alarm"],
    "Applause": ["Applause", "Clapping"],
    "Baby_cry": ["Baby cry, infant cry", "Crying, sobbing"],
    "Background": ["Silence", "Inside, small room", "White noise", "Hum", "Mains hum", "Environmental noise", "Static", "Mechanical fan", "Noise"],
    "Bark": ["Bark", "Dog"],
    "Bass_drum": ["Bass drum", "Drum"],
    "Cello": ["Cello", "Bowed string instrument"],
    "Chainsaw": ["Chainsaw"],
    "Chime": ["Chime", "Wind chime"],
    "Church_bells": ["Church bell", "Bell"],
    "Clarinet": ["Clarinet"],
    "Clock_tick": ["Tick", "Tick-tock", "Clock"],
    "Computer_keyboard": ["Computer keyboard", "Typing"],
    "Cough": ["Cough"],
    "Cowbell": ["Cowbell"],
    "Door_open_or_close": ["Door", "Slam"],
    "Double_bass": ["Double bass"],
    "Electric_piano": ["Electric piano", "Keyboard (musical)", "Piano"],
    "Finger_snapping": ["Finger snapping"],
    "Fire_crackling": ["Crackle", "Fire"],
    "Fireworks": ["Fireworks", "Firecracker"],
    "Flute": ["Flute"],
    "Footsteps": ["Walk, footsteps", "Run"],
    "Glockenspiel": ["Glockenspiel", "Mallet percussion", "Marimba, xylophone", "Vibraphone"],
    "Gong": ["Gong"],
    "Gunshot_or_gunfire": ["Gunshot, gunfire", "Machine gun", "Fusillade"],
    "Helicopter": ["Helicopter"],
    "Hi-hat": ["Hi-hat", "Cymbal"],
    "Knock": ["Knock", "Tap"],
    "Laughter": ["Laughter", "Giggle"],
    "Meow": ["Meow", "Cat"],
    "Music": ["Music"],
    "Person_sneeze": ["Sneeze"],
    "Rain": ["Rain", "Raindrop", "Rain on surface"],
    "Rooster": ["Crowing, cock-a-doodle-doo", "Chicken, rooster"],
    "Saxophone": ["Saxophone"],
    "Scissors": ["Scissors"],
    "Sea_waves": ["Waves, surf", "Ocean"],
    "Shatter": ["Shatter", "Glass"],
    "Siren": ["Siren", "Civil defense siren"],
    "Snare_drum": ["Snare drum", "Rimshot"],
    "Speech": ["Speech"],
    "Squeak": ["Squeak"],
    "Tambourine": ["Tambourine"],
    "Tearing": ["Tearing"],
    "Telephone": ["Telephone", "Telephone bell ringing", "Ringtone"],
    "Thunder": ["Thunder", "Thunderstorm"],
    "Trumpet": ["Trumpet", "Brass instrument"],
    "Violin_or_fiddle": ["Violin, fiddle"],
    "Water": ["Water", "Stream", "Pour", "Splash, splatter", "Water tap, faucet"],
    "Writing": ["Writing"],
}
# What a quiet room is called.
QUIET = ["Silence", "Inside, small room", "Inside, large room or hall", "Mechanical fan", "Air conditioning", "Hum", "Mains hum", "Noise",
         "Environmental noise", "Static", "White noise", "Pink noise"]


def read_names(model):
    """Display names of the classes of YAMNet, in order, from `yamnet_class_map.csv` beside the model."""
    with open(Path(model).with_name("yamnet_class_map.csv"), newline="") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def hints(scores, classes, names):
    """Logit of the likeliest AudioSet class that means each label: (windows, 521) to (windows, classes)."""
    likely = np.clip(scores, 1e-3, 1 - 1e-3)
    logits = np.log(likely / (1 - likely))
    return np.stack([logits[:, [names.index(name) for name in MEANING[label]]].max(1) for label in classes], 1)

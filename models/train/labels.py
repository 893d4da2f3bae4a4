# SPDX-License-Identifier: MIT OR Apache-2.0
"""The labels that the default model is trained with, the AudioSet classes that mean each of them, and their groups.

The first AudioSet class of a label is its closest; the others are what the published network also calls it.
"""
import csv

JOINED = {"Dog_bark": "Bark", "Background_noise": "Background", "Clapping": "Applause", "Alarm_clock": "Alarm"}  # data's name: label
DOUBTFUL = {"berklee-sciss"}  # recordings without the sound of their label: drums made of scissors
BACKGROUND = "Background"

MEANING = {
    "Acoustic_guitar": ["Acoustic guitar", "Guitar", "Plucked string instrument"],
    "Airplane": ["Fixed-wing aircraft, airplane", "Aircraft", "Jet engine"],
    "Alarm": ["Alarm", "Smoke detector, smoke alarm", "Fire alarm", "Buzzer", "Alarm clock", "Beep, bleep"],
    "Applause": ["Applause", "Clapping"],
    "Baby_cry": ["Baby cry, infant cry", "Crying, sobbing"],
    "Background": ["Silence", "Inside, small room", "White noise", "Hum"],
    "Bark": ["Bark", "Dog"],
    "Bass_drum": ["Bass drum", "Drum"],
    "Bird": ["Bird vocalization, bird call, bird song", "Chirp, tweet", "Bird"],
    "Breathing": ["Breathing", "Wheeze"],
    "Burping_or_eructation": ["Burping, eructation"],
    "Bus": ["Bus"],
    "Can_opening": ["Clicking", "Burst, pop"],
    "Car_horn": ["Vehicle horn, car horn, honking", "Toot"],
    "Cello": ["Cello", "Bowed string instrument"],
    "Chainsaw": ["Chainsaw"],
    "Chime": ["Chime", "Wind chime"],
    "Church_bells": ["Church bell", "Bell"],
    "Clarinet": ["Clarinet"],
    "Clock_tick": ["Tick-tock", "Tick", "Clock"],
    "Computer_keyboard": ["Computer keyboard", "Typing"],
    "Cough": ["Cough"],
    "Cow": ["Moo", "Cattle, bovinae"],
    "Cowbell": ["Cowbell"],
    "Cricket": ["Cricket"],
    "Crow": ["Caw", "Crow"],
    "Crowd": ["Crowd", "Hubbub, speech noise, speech babble"],
    "Door_bell": ["Doorbell", "Ding-dong"],
    "Door_creak": ["Creak"],
    "Door_open_or_close": ["Door", "Slam"],
    "Double_bass": ["Double bass"],
    "Drawer_open_or_close": ["Drawer open or close", "Cupboard open or close"],
    "Drinking": ["Gurgling", "Gargling"],
    "Electric_piano": ["Electric piano", "Keyboard (musical)", "Piano"],
    "Engine": ["Engine", "Idling", "Medium engine (mid frequency)"],
    "Fart": ["Fart"],
    "Finger_snapping": ["Finger snapping"],
    "Fire_crackling": ["Crackle", "Fire"],
    "Fireworks": ["Fireworks", "Firecracker"],
    "Flute": ["Flute"],
    "Footsteps": ["Walk, footsteps", "Run"],
    "Frog": ["Frog", "Croak"],
    "Glockenspiel": ["Glockenspiel", "Mallet percussion", "Marimba, xylophone"],
    "Gong": ["Gong"],
    "Gunshot_or_gunfire": ["Gunshot, gunfire", "Machine gun", "Fusillade"],
    "Hand_saw": ["Sawing"],
    "Harmonica": ["Harmonica"],
    "Helicopter": ["Helicopter"],
    "Hen": ["Cluck", "Chicken, rooster"],
    "Hi-hat": ["Hi-hat", "Cymbal"],
    "Insect_buzz": ["Buzz", "Fly, housefly", "Bee, wasp, etc."],
    "Keys_jangling": ["Keys jangling"],
    "Knock": ["Knock", "Tap"],
    "Laughter": ["Laughter", "Giggle"],
    "Meow": ["Meow", "Cat"],
    "Microwave_oven": ["Microwave oven"],
    "Mouse_click": ["Clicking"],
    "Music": ["Music"],
    "Oboe": ["Wind instrument, woodwind instrument"],
    "Person_sneeze": ["Sneeze"],
    "Pig": ["Oink", "Pig"],
    "Purr": ["Purr"],
    "Rain": ["Rain", "Raindrop", "Rain on surface"],
    "Rooster": ["Crowing, cock-a-doodle-doo"],
    "Saxophone": ["Saxophone"],
    "Scissors": ["Scissors"],
    "Sea_waves": ["Waves, surf", "Ocean"],
    "Shatter": ["Shatter", "Glass"],
    "Sheep": ["Sheep", "Bleat"],
    "Siren": ["Siren", "Civil defense siren"],
    "Snare_drum": ["Snare drum", "Rimshot"],
    "Snoring": ["Snoring"],
    "Speech": ["Speech"],
    "Squeak": ["Squeak"],
    "Tambourine": ["Tambourine"],
    "Tearing": ["Tearing"],
    "Telephone": ["Telephone bell ringing", "Telephone", "Ringtone"],
    "Thunder": ["Thunder", "Thunderstorm"],
    "Toilet_flush": ["Toilet flush"],
    "Toothbrush": ["Toothbrush"],
    "Train": ["Train", "Rail transport"],
    "Trumpet": ["Trumpet", "Brass instrument"],
    "Vacuum_cleaner": ["Vacuum cleaner"],
    "Violin_or_fiddle": ["Violin, fiddle"],
    "Washing_machine": ["Mechanisms"],
    "Water": ["Water tap, faucet", "Water", "Pour", "Stream"],
    "Water_drip": ["Drip"],
    "Wind": ["Wind"],
    "Writing": ["Writing"],
}
LABELS = sorted(MEANING)

ESC10 = ["Bark", "Rain", "Sea_waves", "Baby_cry", "Clock_tick", "Person_sneeze", "Helicopter", "Chainsaw", "Rooster", "Fire_crackling"]
ESC50 = ESC10 + [
    "Pig", "Cow", "Frog", "Meow", "Hen", "Insect_buzz", "Sheep", "Crow", "Cricket", "Bird", "Water_drip", "Wind", "Water", "Toilet_flush", "Thunder",
    "Applause", "Breathing", "Cough", "Footsteps", "Laughter", "Toothbrush", "Snoring", "Drinking", "Knock", "Mouse_click", "Computer_keyboard",
    "Door_creak", "Can_opening", "Washing_machine", "Vacuum_cleaner", "Alarm", "Shatter", "Siren", "Car_horn", "Engine", "Train",
    "Church_bells", "Airplane", "Fireworks", "Hand_saw"]
INSTRUMENTS = [
    "Acoustic_guitar", "Bass_drum", "Cello", "Chime", "Clarinet", "Cowbell", "Double_bass", "Electric_piano", "Flute", "Glockenspiel", "Gong",
    "Harmonica", "Hi-hat", "Oboe", "Saxophone", "Snare_drum", "Tambourine", "Trumpet", "Violin_or_fiddle"]
GROUPS = {
    "alarm": ["Alarm", "Car_horn", "Door_bell", "Siren", "Telephone"],
    "animal": ["Bark", "Bird", "Cow", "Cricket", "Crow", "Frog", "Hen", "Insect_buzz", "Meow", "Pig", "Purr", "Rooster", "Sheep"],
    "voice": ["Baby_cry", "Breathing", "Burping_or_eructation", "Cough", "Crowd", "Laughter", "Person_sneeze", "Snoring", "Speech"],
    "instrument": INSTRUMENTS,
    "vehicle": ["Airplane", "Bus", "Car_horn", "Engine", "Helicopter", "Siren", "Train"],
    "impact": ["Door_open_or_close", "Fireworks", "Footsteps", "Gunshot_or_gunfire", "Knock", "Shatter"],
    "water": ["Drinking", "Rain", "Sea_waves", "Toilet_flush", "Washing_machine", "Water", "Water_drip"],
}
# What a person asks a sound detector for; instruments and ESC-50's rarer sounds aside.
ASKED_FOR = [
    "Airplane", "Alarm", "Applause", "Baby_cry", "Bark", "Bird", "Car_horn", "Computer_keyboard", "Cough", "Door_bell",
    "Door_open_or_close", "Engine", "Fireworks", "Footsteps", "Gunshot_or_gunfire", "Helicopter", "Knock", "Laughter", "Meow", "Mouse_click",
    "Music", "Person_sneeze", "Rain", "Scissors", "Shatter", "Siren", "Snoring", "Speech", "Telephone", "Thunder", "Toilet_flush", "Train",
    "Vacuum_cleaner", "Washing_machine", "Water", "Wind", "Writing"]


def audioset_names(path):
    """AudioSet's 527 display names, in the order of the published network's outputs, from `class_labels_indices.csv`."""
    with open(path, newline="") as file:
        return [row["display_name"] for row in csv.DictReader(file)]


def meaning(label, names):
    """Numbers of the AudioSet classes that mean the label, the closest one first."""
    return [names.index(name) for name in MEANING[label]]

#!/bin/sh
# Makes the model that comes with the program, from nothing but the program: simulated patients, the deterministic
# writer's words about them, a vocabulary, training.  The same program gives the same bytes: run it twice and compare.
#
#     tools/make-model.sh [FOLDER]        default models/wardscribe-small; PAIRS, STEPS, WORK, PROGRAM: the environment
#
# README.md, the model card, is kept by hand: its figures are those of `wardscribe model exam`.
set -eu
folder=${1:-models/wardscribe-small}
program=${PROGRAM:-build/wardscribe}
pairs=${PAIRS:-60000}
steps=${STEPS:-3000}
work=${WORK:-$(mktemp -d)}
mkdir -p "$work" "$folder"

say() { printf '%s\n' "$*" >&2; }

say "1/5 $pairs windows of simulated patients, a quarter with vitals of their own ways, in the writer's many wordings"
"$program" model pairs --seed 1 --count $((pairs * 3 / 4)) --format slots --profile "$work/profile.json" \
    > "$work/pairs.jsonl"
head -n 4000 "$work/pairs.jsonl" > "$work/vocabulary.jsonl"
"$program" model pairs --seed 3 --count $((pairs / 4)) --varied --format slots >> "$work/pairs.jsonl"
say "2/5 vocabulary"
"$program" model vocabulary "$work/spiece.model" --data "$work/vocabulary.jsonl" --size 1024 --slots
say "3/5 training in many wordings, $steps steps"
"$program" model new "$work/start" --vocabulary "$work/spiece.model" --d-model 192 --d-kv 32 --d-ff 512 --heads 6 \
    --layers 3 --decoder-layers 3 --seed 1 --max-length 360
"$program" model train "$work/start" --data "$work/pairs.jsonl" --out "$work/trained" --steps "$steps" --batch 16 \
    --lr 1.5e-3 --warmup 200 --schedule cosine --max-target 360 --seed 1 --save-every 500 --save-as bf16 --resume
say "4/5 training in the wording that readers get, $((steps * 4 / 3)) steps"
"$program" model pairs --seed 2 --count $((pairs * 2 / 3)) --varied --house --format slots > "$work/house.jsonl"
"$program" model pairs --seed 5 --count $((pairs / 3)) --house --format slots >> "$work/house.jsonl"
"$program" model train "$work/trained" --data "$work/house.jsonl" --out "$work/final" --steps $((steps * 4 / 3)) \
    --batch 16 --lr 8e-4 --warmup 100 --schedule cosine --max-target 360 --seed 2 --save-every 500 --save-as bf16 \
    --resume
say "5/5 $folder"
for file in config.json generation_config.json model.safetensors spiece.model tokenizer_config.json; do
    cp "$work/final/$file" "$folder/$file.new" && mv "$folder/$file.new" "$folder/$file"
done
cp "$work/profile.json" "$folder/profile.json"
sha256sum "$work/pairs.jsonl" "$work/house.jsonl" "$folder"/*.json "$folder"/*.model "$folder"/*.safetensors

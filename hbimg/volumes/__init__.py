"""What a volume's rows hold: claims, records, frames, original files, results and runs, over any store."""

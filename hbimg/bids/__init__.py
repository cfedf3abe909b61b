"""The Brain Imaging Data Structure (BIDS): its names, and data sets made of stored volumes."""

"""Why an item is recommended: who shared listeners, what is alike in text, what is popular, and nothing made up."""

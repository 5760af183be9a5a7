"""A Hugging Face text encoder of a few hundred numbers whose words are given."""


def save_tiny_encoder(folder, words, *, hidden=16):
    """Writes a BERT with config, tokenizer and weights into a folder, and gives its path."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    numbers = {word: number for number, word in enumerate([*marks.values(), *words])}
    rules = Tokenizer(models.WordLevel(numbers, unk_token="[UNK]"))
    rules.pre_tokenizer = pre_tokenizers.Whitespace()
    rules.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=rules, **marks).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8,
        vocab_size=len(numbers), max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder

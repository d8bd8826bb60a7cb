"""A small task on digits, and Lightning's own classes, as configurations name them."""

BORING = "lightning.pytorch.demos.boring_classes"
TASK = {
    "class_path": "lossy_lightning.tasks.ClassificationTask",
    "init_args": {
        "stem": "lossy_lightning.nn.Bits",
        "backbone": {"class_path": "lossy_lightning.nn.MLP", "init_args": {"hidden_features": [8]}},
        "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
        "lr_scheduler": {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 1}},
    },
}

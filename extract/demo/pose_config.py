"""The demo's keypoint model, an MMPose config: RTMPose-tiny with the 133 whole-body keypoints.

Jiang et al., RTMPose (arXiv 2303.07399). Unlike MMPose's own whole-body configs it starts from no
pretrained weights, and it does not widen the person's box: the drawn signer fills the picture.
"""

default_scope = "mmpose"

codec = dict(
    type="SimCCLabel",
    input_size=(192, 256),
    sigma=(4.9, 5.66),
    simcc_split_ratio=2.0,
    normalize=False,
    use_dark=False,
)

model = dict(
    type="TopdownPoseEstimator",
    data_preprocessor=dict(
        type="PoseDataPreprocessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type="CSPNeXt",
        arch="P5",
        expand_ratio=0.5,
        deepen_factor=0.167,
        widen_factor=0.375,
        out_indices=(4,),
        channel_attention=True,
        norm_cfg=dict(type="BN"),
        act_cfg=dict(type="SiLU"),
    ),
    head=dict(
        type="RTMCCHead",
        in_channels=384,
        out_channels=133,
        input_size=codec["input_size"],
        # A 32nd of the input: the backbone's stride.
        in_featuremap_size=(6, 8),
        simcc_split_ratio=codec["simcc_split_ratio"],
        final_layer_kernel_size=7,
        gau_cfg=dict(
            hidden_dims=256,
            s=128,
            expansion_factor=2,
            dropout_rate=0.0,
            drop_path=0.0,
            act_fn="SiLU",
            use_rel_bias=False,
            pos_enc=False,
        ),
        loss=dict(type="KLDiscretLoss", use_target_weight=True, beta=10.0, label_softmax=True),
        decoder=codec,
    ),
    test_cfg=dict(flip_test=False),
)

test_pipeline = [
    dict(type="LoadImage"),
    dict(type="GetBBoxCenterScale", padding=1.0),
    dict(type="TopdownAffine", input_size=codec["input_size"]),
    dict(type="PackPoseInputs"),
]

dataset = dict(
    type="CocoWholeBodyDataset",
    data_mode="topdown",
    # Names and links of the keypoints, from a config inside MMPose's package.
    metainfo=dict(from_file="configs/_base_/datasets/coco_wholebody.py"),
    pipeline=test_pipeline,
    test_mode=True,
)
# MMPose looks for the description of the keypoints under the training data.
train_dataloader = dict(dataset=dataset)
test_dataloader = dict(batch_size=1, dataset=dataset)

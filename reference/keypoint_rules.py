"""The published keypoint rules once more, frame by frame and as plainly as can be."""

import math

BODY = [0, 5, 7, 9, 6, 8, 10]
MARGIN = {"phoenix-2014t": None, "csl-daily": 50, "how2sign": 50, "custom": None, "seen": math.inf}


def slow_frame(keypoints, size, rules):
    """Right hand, left hand and body of one frame as lists of points; ``None`` without hands."""
    points = [
        tuple(map(float, p)) if all(map(math.isfinite, p)) else (0.0, 0.0, 0.0) for p in keypoints
    ]
    right_box = box(points[112:133], [points[i] for i in (6, 8, 10)], size, rules)
    left_box = box(points[91:112], [points[i] for i in (5, 7, 9)], size, rules)
    if right_box is None and left_box is None:
        return None
    right = in_box(points[112:133], right_box)
    left = [mirrored(point) for point in in_box(points[91:112], left_box)]
    body = [(points[i][0] / size[0] * 256, points[i][1] / size[1] * 256) for i in BODY]
    return right, left, body


def box(hand, arm, size, rules):
    """Left, top and side, or ``None``."""
    seen = [(x, y) for x, y, confidence in hand if confidence > 0.1]
    if len(seen) >= 10:
        return box_of_points(seen, size)
    if any(confidence < 0.5 for _, _, confidence in arm):
        return None
    if MARGIN[rules] is not None and arm[2][1] >= size[1] - MARGIN[rules]:
        return None
    return box_of_arm(arm, size)


def box_of_points(seen, size):
    xs, ys = zip(*seen, strict=True)
    side = round(2.2 * max(max(xs) - min(xs), max(ys) - min(ys)))
    side = max(1, min(side, min(size) - 1))
    corner = []
    for values, limit in ((xs, size[0] - 1), (ys, size[1] - 1)):
        start = round((min(values) + max(values)) / 2 - side / 2)
        corner.append(max(0, min(start, limit - side)))
    return (*corner, side)


def box_of_arm(arm, size):
    (shoulder_x, shoulder_y, _), (elbow_x, elbow_y, _), (wrist_x, wrist_y, _) = arm
    forearm = math.hypot(wrist_x - elbow_x, wrist_y - elbow_y)
    upper_arm = math.hypot(elbow_x - shoulder_x, elbow_y - shoulder_y)
    side = 1.1 * max(forearm, 0.9 * upper_arm)
    left = max(0, wrist_x + 0.33 * (wrist_x - elbow_x) - side / 2)
    top = max(0, wrist_y + 0.33 * (wrist_y - elbow_y) - side / 2)
    side = min(side, size[0] - left, size[1] - top)
    return (int(left), int(top), int(side)) if side >= 1 else None


def in_box(hand, found):
    if found is None:
        return [(0.0, 0.0)] * len(hand)
    left, top, side = found
    shown = [(x, y) if confidence > 0.4 else (0.0, 0.0) for x, y, confidence in hand]
    return [(max(0.0, (x - left) / side * 256), max(0.0, (y - top) / side * 256)) for x, y in shown]


def mirrored(point):
    return tuple(0.0 if value >= 255 else value for value in (256 - point[0], point[1]))

from ordercascade.core.shapes import IMPACT_DTYPE as IMPACT_DTYPE
from ordercascade.core.shapes import QUEUE_DTYPE as QUEUE_DTYPE

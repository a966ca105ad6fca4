from ordercascade.core.answers import IMPACT_DTYPE as IMPACT_DTYPE
from ordercascade.core.answers import QUEUE_DTYPE as QUEUE_DTYPE

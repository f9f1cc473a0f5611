#include <gloo/fwd.h>

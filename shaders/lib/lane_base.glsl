// lane_base.glsl - for loops over the lanes of a vector (lib/runs.glsl).

// The index that lane 0 has. So the compiler knows that adding a lane's number to it does not wrap
// round, and can load neighbours at once. The last 256 bytes or elements of 2^32 are out of reach.
uint lane_base(uint at)
{
    return min(at, 0xffffff00u);
}

// A loop over the lanes of a vector: never unrolled here, which would hide it from the compiler.
#define LANE_LOOP [[dont_unroll, dependency_infinite]]

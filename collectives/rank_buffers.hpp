// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <utility>

#include "collectives/collective.hpp"

namespace moecal::collectives {

/// Whether a rank's input and output share memory, and where in it the smaller of them lies.
enum class InPlace {
  no,
  own_block,    // the smaller is this rank's block of the larger: NCCL, and MPI where it gathers
  first_block,  // the result comes first: MPI_Reduce_scatter_block
};

/// Where in one rank's memory its input and output lie.
struct RankLayout {
  std::int64_t first = 0;   // bytes of the first buffer, which holds what is sent
  std::int64_t second = 0;  // bytes of the second, which holds what is received; 0 if in place
  std::int64_t send_at = 0;
  std::int64_t receive_at = 0;  // in the second buffer, in place in the first
  bool in_place = false;
};

[[nodiscard]] inline RankLayout layout_of(const CollectiveBuffers& buffers, int rank,
                                          InPlace in_place) {
  if (in_place == InPlace::no) return {buffers.send, buffers.receive, 0, 0, false};
  RankLayout layout{std::max(buffers.send, buffers.receive), 0, 0, 0, true};
  if (buffers.send < buffers.receive) layout.send_at = rank * buffers.send;
  if (buffers.receive < buffers.send && in_place == InPlace::own_block)
    layout.receive_at = rank * buffers.receive;
  return layout;
}

/// What a buffer holds before something is received: as elements it is large or no number at all,
/// and no pattern is made of it.
inline constexpr std::byte kStale{0xff};

/// One buffer set of a rank; Memory has data().
template <class Memory>
struct RankBuffers {
  Memory first;
  Memory second;

  [[nodiscard]] CollectiveTensors tensors(const RankLayout& layout) {
    std::byte* receive = layout.in_place ? first.data() : second.data();
    return {first.data() + layout.send_at, receive + layout.receive_at, layout.in_place};
  }
};

}  // namespace moecal::collectives

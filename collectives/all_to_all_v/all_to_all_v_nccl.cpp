// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_to_all_v/all_to_all_v.hpp"
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"

namespace moecal::collectives {

void all_to_all_v_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                       NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto elements = [&](const RoutedExchange::Block& block) {
    return static_cast<std::size_t>(block.bytes / size_of(shape.dtype));
  };
  NcclGroupCall exchange;
  for (int peer = 0; peer < shape.group; ++peer) {
    const auto& send = shape.exchange->sends[group.rank][peer];
    const auto& receive = shape.exchange->receives[group.rank][peer];
    if (send.bytes > 0)
      check_call(ncclSend(tensors.send + send.at, elements(send), type, peer, group.handle, stream),
                 {"ncclSend", send.bytes, group, peer});
    if (receive.bytes > 0)
      check_call(ncclRecv(tensors.receive + receive.at, elements(receive), type, peer, group.handle,
                          stream),
                 {"ncclRecv", receive.bytes, group, peer});
  }
  exchange.launch({"ncclGroupEnd of an all-to-all-v", shape.bytes, group});
}

}  // namespace moecal::collectives

// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/nccl_call.hpp"
#include "collectives/nccl_dtype.hpp"
#include "collectives/send_recv/send_recv.hpp"

namespace moecal::collectives {

void send_recv_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                    NcclCommunicator group, Stream stream) {
  const auto type = static_cast<ncclDataType_t>(nccl_dtype(shape.dtype));
  const auto count = static_cast<std::size_t>(send_recv_buffers(shape).send / size_of(shape.dtype));
  const int next = (group.rank + 1) % shape.group;
  const int before = (group.rank + shape.group - 1) % shape.group;
  NcclGroupCall exchange;
  check_call(ncclSend(tensors.send, count, type, next, group.handle, stream),
             {"ncclSend", shape.bytes, group, next});
  check_call(ncclRecv(tensors.receive, count, type, before, group.handle, stream),
             {"ncclRecv", shape.bytes, group, before});
  exchange.launch({"ncclGroupEnd of a send and a receive", shape.bytes, group});
}

}  // namespace moecal::collectives

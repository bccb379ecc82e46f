# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a written video says about itself where players and archives look for it: in the container's tags, and in XMP.

Source of the kinds: IPTC, Digital Source Type vocabulary, https://cv.iptc.org/newscodes/digitalsourcetype/
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

_KINDS = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
    xmp:CreatorTool="avatar_forcing_ros"
    Iptc4xmpExt:DigitalSourceType={kind}>
   <dc:description><rdf:Alt><rdf:li xml:lang="x-default">{words}</rdf:li></rdf:Alt></dc:description>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""


@dataclass(frozen=True)
class VideoDisclosure:
    """What a video says about itself.

    Attributes:
        words: text for people.
        kind: term of IPTC's vocabulary, for machines.
    """

    words: str
    kind: str

    @property
    def tags(self) -> dict[str, str]:
        """Tags of the container, as players show them."""
        return {"comment": self.words, "description": self.words}

    @property
    def xmp(self) -> bytes:
        """An XMP packet."""
        return _XMP.format(kind=quoteattr(_KINDS + self.kind), words=escape(self.words)).encode()


AVATAR = VideoDisclosure(
    "AI-generated: the face in this video was drawn by a computer and shows nobody who was there.",
    "trainedAlgorithmicMedia",
)
CONVERSATION = VideoDisclosure(
    "Partly AI-generated: the face on the right was drawn by a computer and shows nobody who was there.",
    "compositeWithTrainedAlgorithmicMedia",
)

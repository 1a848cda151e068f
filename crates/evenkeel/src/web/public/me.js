(()=>{const line=document.getElementById("me"),words=line.dataset,say=seen=>{line.textContent=words[seen]||words.known;words.seen=seen},
ask=(address,how)=>{const stop=new AbortController,timer=setTimeout(()=>stop.abort(),8e3);return fetch(address,{cache:"no-store",credentials:"omit",signal:stop.signal,...how}).finally(()=>clearTimeout(timer))},
silent=error=>error.name=="AbortError";
const look=async()=>{if(!navigator.onLine)return say("offline");
try{return say((await ask(words.ask)).ok?"reached":"wrong")}catch(error){if(silent(error))return say("silent")}
try{await ask(words.ask,{mode:"no-cors"});return say("reached")}catch(error){if(silent(error))return say("silent")}
try{await ask(location.href,{method:"HEAD"});say("blocked")}catch{say("offline")}};
words.known=line.textContent;look();addEventListener("online",look);addEventListener("offline",look)})()
